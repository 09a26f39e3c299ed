"""Google Vertex AI: models of many publishers in one project, each in its own dialect."""
