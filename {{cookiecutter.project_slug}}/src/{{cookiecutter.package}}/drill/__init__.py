"""The drill: known traps are sprung on a copy of the repository, to see which command says no."""
