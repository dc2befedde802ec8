"""Words and bytes of each text."""

import os

import sheaf

for datum in sheaf.datums():
    with open(datum.input, "rb") as source:
        text = source.read()
    name = os.path.basename(datum.input)
    with open(os.path.join(datum.out, name), "w") as target:
        target.write("%d words, %d bytes\n" % (len(text.split()), len(text)))
