//! Reading and writing weights and arrays: each format behind a feature of its name.
