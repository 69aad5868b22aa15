#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gantz_fuzz::trailers::check(data));
