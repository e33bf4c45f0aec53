"""What runs cost, as ratios: `make bench`, or `python -m bench dag|merge|memory` for one part."""
