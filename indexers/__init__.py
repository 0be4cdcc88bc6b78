"""The machinery of nearkin: pictures in, the catalogue as the truth, and what follows it."""
