"""What runs cost, as ratios: `make bench`, or `python -m bench merge|steps|dag|memory` for one part."""
