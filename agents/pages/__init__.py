"""Pages for people: the report of an evaluation, tables in documents, the card of a policy."""
