"""Measures of a model that predicts one of three or more classes.

A measure of one class takes it as 1 and all other classes as 0: one-vs-rest (Fawcett 2006, Pattern
Recognition Letters 27:861). Over all classes, a measure of quality is the mean over the classes
(macro average); calibration and fairness are those of the worst class.
"""
