//! `gantz-relay`: parses and wires; everything else is the library.

fn main() -> std::process::ExitCode {
    gantz_relay::cli::main()
}
