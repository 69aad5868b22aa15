#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gantz_fuzz::from_agent::check(data));
