"""Classifiers: vectors with labels in, the probability of each class out (plug-ins).

base          the contract
centroid      the nearest mean of a class
knn           the labelled vectors that are nearest
logistic      logistic regression
svm           a support vector machine
tree, forest  decision trees
choice        which of them serves some labels best, and how sure its answers are, by cross-validation
confidence    scores as probabilities that hold, and the answers of which few are wrong
smoothing     vectors averaged with those of their neighbours
contract      the promises as a test class
"""
