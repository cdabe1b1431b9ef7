#!/usr/bin/env bash
# Counts the reads, those with an unknown letter, and the mean quality (Phred, offset 33) of all letters.
total=$(( $(wc -l < "$fastq") / 4 ))
with_unknown=$(awk 'NR % 4 == 2' "$fastq" | grep -c N || true)
mean_quality=$(
    awk 'NR % 4 == 0' "$fastq" | LC_ALL=C awk '
        BEGIN { for (i = 33; i < 127; i++) phred[sprintf("%c", i)] = i - 33 }
        { for (i = 1; i <= length($0); i++) { sum += phred[substr($0, i, 1)]; n++ } }
        END { printf "%.3f", sum / n }'
)
export total with_unknown mean_quality
