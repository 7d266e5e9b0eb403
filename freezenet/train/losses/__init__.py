"""Losses and where their class weights come from, in keras.ops only, so that every backend of Keras computes the same."""
