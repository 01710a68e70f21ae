"""Records, graph, verification, reproduction, OpenLineage."""
