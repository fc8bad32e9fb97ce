"""Workflow builders: the descriptions of workflows/, subgraphs/ and the help pages' pictures, and their makers."""
