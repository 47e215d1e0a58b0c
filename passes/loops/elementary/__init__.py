"""Elementary functions written out as arithmetic: one file a family, formulas over `Lanes`.

Polynomials are minimax fits of the functions (relative error, in f64 and rounded), evaluated by Horner's rule with
fused multiply-adds.
"""
