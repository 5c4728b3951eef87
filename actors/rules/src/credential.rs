//! What a scanner types and a reader reads, cleaned and checked before anything is looked up.
