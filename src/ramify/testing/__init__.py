"""What third parties test their own back ends with: contract suites and hostile fakes."""
