"""What every room uses: errors, files, random numbers, devices, paths."""
