"""What trading is: pure values and functions, without Prefect, network, file, clock or randomness."""
