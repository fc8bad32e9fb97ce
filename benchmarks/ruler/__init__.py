"""The ruler of the edit benchmark: who judges an edit, and by what score."""
