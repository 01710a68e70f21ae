"""What a generated repository gets from the template and the engine, and how both are updated."""
