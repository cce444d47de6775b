//! Numbers that states give to people and firms: their check digits, dates and ranges, by region.

pub mod americas;
pub mod asia;
pub mod europe_east;
pub mod europe_north;
pub mod europe_south;
pub mod europe_west;
pub mod pacific;
