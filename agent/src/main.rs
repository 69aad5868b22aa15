//! `gantz`: parses and wires; everything else is the library.

fn main() -> std::process::ExitCode {
    gantz_agent::cli::main()
}
