"""The team's code, in processes of its own: data go in and come out, nothing else."""
