//! The program `shanmen`; everything is in the library.

use std::process::ExitCode;

/// Answers, records and frames are made on one thread and dropped on another, thousands a second:
/// that is what the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    shanmen::cli::main()
}
