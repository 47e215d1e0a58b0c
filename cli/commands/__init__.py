"""The commands of ``lamina``, a file each. What they share lies beside this folder."""
