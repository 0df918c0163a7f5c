//! What work needs, and knows no caller and no state: memory that is reserved, threads, the data
//! directory.

pub mod background;
pub mod budget;
pub mod data_dir;
pub mod single_flight;
