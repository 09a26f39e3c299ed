"""The HTTP API, in OpenAI's shapes. Translates between HTTP and `service`; decides nothing."""
