"""The descriptions that workflows/, subgraphs/ and the help pages' pictures are made from, and what makes them."""
