"""Events, chain, storage in git, remote, signatures, approvers, verification."""
