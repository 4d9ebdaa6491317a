//! Where libtrust is: $TRUST_LIB_DIR, else what pkg-config says, else where the linker looks.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=TRUST_LIB_DIR");
    let directory = env::var("TRUST_LIB_DIR").ok().or_else(from_pkg_config);
    if let Some(directory) = directory {
        println!("cargo:rustc-link-search=native={}", directory);
    }
    println!("cargo:rustc-link-lib=dylib=trust");
}

fn from_pkg_config() -> Option<String> {
    let output = Command::new("pkg-config").args(["--variable=libdir", "trust"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let directory = text.trim();
    (output.status.success() && !directory.is_empty()).then(|| directory.to_string())
}
