//! The program `shanmen`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    shanmen::cli::main()
}
