//! The program `shanmen-loadtest`; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    shanmen_loadtest::cli::main()
}
