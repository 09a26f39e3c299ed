"""What is known of providers and models, as data: each row with its source, grade and date."""
