"""What survives a crash: one store on disk of typed parts, written while one works, and offered when the same pixels are opened again.

What is kept: of a picture three parts, `KeptFacts`, `KeptStrokes` and `KeptParticles`; and each training that runs, `KeptTraining`. All
lies in the user's data folder. A part has a file of its own at each start, `FOLDER/KEY-TIME.npz`: arrays, and JSON that tells of them. The
key is the SHA-256 of the pixels, so names do not matter.

When it is written: two seconds after a change, large particles after a pause, and all that is left at the end; whole or not at all. What
cannot be written is told once and tried again. A part whose layer was removed keeps its file, as does what another window wrote meanwhile.

How it comes back: the newest file of each part is offered, whatever becomes of the other parts. *Restore* puts it back and goes on in its
file, *Discard* deletes it, after which the one before it is offered. Nothing else deletes, but for limits of number and room (see `store`).

What cannot be read, or is of a newer version, stays where it is: one sentence says so, and all else is offered.
"""
