//! The storage seam's double: a directory in memory that forgets what was not synced.
//! To be filled.
