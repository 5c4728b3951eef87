//! QR codes from a camera.
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`frame`] | a picture in shades of grey, and the changes that help |
//! | [`decode`] | from a frame to the text in it |
//! | [`source`] | the trait that every camera stands behind |
//! | [`files`], [`video`] | pictures from files; a camera of the machine |
//! | [`scanner`] | a camera as a scanner of a gate or handheld |
//!
//! # What is read
//!
//! Measured on 640×480 synthetic pictures (`tests/camera`), 20 of each class and code, a signed code
//! (about 300 characters) and a short one (16 characters); the number read, and the mean time of a
//! try on one of two cores that were busy with other work. Live: within six frames alike. `rqrr` is
//! asked first, then `rxing`; the looks are
//! those of [`decode`]. Ask for 2 px a module or more, and a lens in focus.
//!
//! | class | code | rqrr | rxing | rqrr, all looks | both, all looks | live, 6 frames |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | clean, 4 px a module | signed | 14/20 16.2 ms | 20/20 1.9 ms | 20/20 30.5 ms | 20/20 16.6 ms | 20/20 |
//! | clean, 4 px a module | short | 12/20 9.8 ms | 20/20 1.1 ms | 20/20 18.1 ms | 20/20 9.9 ms | 20/20 |
//! | any rotation | signed | 12/20 11.7 ms | 20/20 1.2 ms | 20/20 19.9 ms | 20/20 12.2 ms | 20/20 |
//! | any rotation | short | 12/20 8.4 ms | 20/20 1.0 ms | 19/20 15.0 ms | 20/20 8.9 ms | 20/20 |
//! | tilted up to 35° | signed | 9/20 9.4 ms | 20/20 1.1 ms | 20/20 23.2 ms | 20/20 9.3 ms | 20/20 |
//! | tilted up to 35° | short | 6/20 8.6 ms | 9/20 1.0 ms | 20/20 24.6 ms | 20/20 13.8 ms | 20/20 |
//! | blur σ 1.5 | signed | 5/20 8.9 ms | 20/20 1.2 ms | 14/20 40.7 ms | 20/20 9.6 ms | 20/20 |
//! | blur σ 1.5 | short | 3/20 8.0 ms | 20/20 0.9 ms | 8/20 48.9 ms | 20/20 8.3 ms | 20/20 |
//! | blur σ 2 | signed | 0/20 6.8 ms | 0/20 1.0 ms | 0/20 62.8 ms | 14/20 73.7 ms | 14/20 |
//! | blur σ 2 | short | 0/20 9.7 ms | 0/20 1.0 ms | 1/20 78.0 ms | 16/20 50.2 ms | 16/20 |
//! | noise σ 25 | signed | 9/20 13.0 ms | 19/20 3.8 ms | 18/20 35.5 ms | 20/20 14.9 ms | 20/20 |
//! | noise σ 25 | short | 5/20 13.6 ms | 18/20 4.3 ms | 18/20 36.5 ms | 20/20 17.8 ms | 20/20 |
//! | low contrast | signed | 2/20 8.2 ms | 0/20 1.0 ms | 17/20 44.5 ms | 20/20 44.0 ms | 20/20 |
//! | low contrast | short | 1/20 13.1 ms | 0/20 1.4 ms | 13/20 63.4 ms | 20/20 55.5 ms | 20/20 |
//! | dim | signed | 0/20 12.7 ms | 17/20 1.6 ms | 16/20 56.2 ms | 20/20 14.5 ms | 20/20 |
//! | dim | short | 4/20 11.8 ms | 17/20 0.9 ms | 19/20 43.2 ms | 20/20 18.2 ms | 20/20 |
//! | glare | signed | 4/20 9.8 ms | 17/20 1.2 ms | 17/20 44.7 ms | 20/20 16.0 ms | 20/20 |
//! | glare | short | 7/20 7.7 ms | 16/20 0.9 ms | 17/20 27.5 ms | 20/20 12.7 ms | 20/20 |
//! | 3 px a module | signed | 6/20 8.0 ms | 20/20 1.2 ms | 18/20 25.6 ms | 20/20 8.7 ms | 20/20 |
//! | 3 px a module | short | 5/20 8.1 ms | 20/20 0.9 ms | 16/20 37.3 ms | 20/20 8.8 ms | 20/20 |
//! | 2 px a module | signed | 5/20 9.9 ms | 20/20 1.2 ms | 10/20 44.2 ms | 20/20 10.5 ms | 20/20 |
//! | 2 px a module | short | 1/20 7.3 ms | 20/20 1.0 ms | 4/20 56.6 ms | 20/20 7.9 ms | 20/20 |
//! | inverted | signed | 0/20 4.2 ms | 0/20 0.9 ms | 13/20 50.7 ms | 20/20 60.8 ms | 20/20 |
//! | inverted | short | 0/20 4.2 ms | 0/20 0.8 ms | 13/20 48.8 ms | 20/20 59.3 ms | 20/20 |
//! | all at once, mildly | signed | 2/20 12.3 ms | 16/20 3.3 ms | 10/20 50.0 ms | 20/20 16.2 ms | 20/20 |
//! | all at once, mildly | short | 2/20 10.0 ms | 10/20 3.3 ms | 8/20 58.4 ms | 20/20 17.6 ms | 20/20 |

pub mod decode;
pub mod files;
pub mod frame;
pub mod scanner;
pub mod source;
#[cfg(target_os = "linux")]
pub mod video;

pub use self::{
    decode::Decoder,
    files::Files,
    frame::Frame,
    scanner::CameraScanner,
    source::{CameraError, FrameSource, Pause},
};
