"""Judge: policy and evidence in, verdict out."""
