"""When an old result is still good. Pure: digests are strings, and nothing here reads a file.

A result depends on the code, the arguments, and the outputs of the parents. Two keys say so:

- the early key is made of the code, the arguments and the parents' early keys, so it is known before
  anything upstream is looked at; it is a deep constructive trace;
- the late key is made of the code, the arguments and the digests of the parents' outputs, so a parent that
  ran again and brought the same value changes nothing; it is a verifying trace.

("Build systems a la carte", Mokhov, Mitchell and Peyton Jones, 2018.)
"""
