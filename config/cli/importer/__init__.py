"""Reading a wedding folder: files to items, problems found, and the ops that bring a wedding to what the folder says.

Pure but for `folder`, which reads the files. Called by `wedsync import` and the demo; the sending is theirs.
"""
