#!/usr/bin/env bash
# One table of all chunks, longest sequence first. Files are taken by the pattern that the pipeline gives; an
# instance path with blanks in it stays one word, since only its last part is a glob.
printf 'name\tletters\tgc\torf\n' > "$table"
IFS=
cat $tables | sort -t $'\t' -k 2,2nr -k 1,1 >> "$table"
made=$(( $(wc -l < "$table") - 1 ))
if [ "$made" != "$expected" ]; then
    echo "$made sequences in the table, $expected in the file" >&2
    exit 1
fi
