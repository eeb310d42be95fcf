//! Compiles the program that the tests have held, once as a static ELF file and once as a dynamic one, and a library that
//! can be loaded into the latter.

use std::{env, error::Error, path::Path, process::Command};

const SOURCE: &str = "programs/report.rs";
const LIBRARY: &str = "programs/preloaded.rs";

fn main() -> Result<(), Box<dyn Error>> {
    let compiler = env::var("RUSTC")?;
    let output = env::var("OUT_DIR")?;
    for (name, linkage) in [("report-static", "+crt-static"), ("report-dynamic", "-crt-static")] {
        let status = Command::new(&compiler)
            .args([
                "--edition=2024",
                "--crate-name=report",
                "-Copt-level=1",
                "-Cpanic=abort",
                "-Cstrip=symbols",
            ])
            .arg(format!("-Ctarget-feature={linkage}"))
            .arg("-o")
            .arg(Path::new(&output).join(name))
            .arg(SOURCE)
            .status()?;
        if !status.success() {
            return Err(format!("cannot compile '{SOURCE}' with '{linkage}': {status}").into());
        }
    }
    let status = Command::new(&compiler)
        .args([
            "--edition=2024",
            "--crate-name=preloaded",
            "-Copt-level=1",
            "-Cpanic=abort",
            "-Cstrip=symbols",
            "-o",
        ])
        .arg(Path::new(&output).join("preloaded.so"))
        .arg(LIBRARY)
        .status()?;
    if !status.success() {
        return Err(format!("cannot compile '{LIBRARY}': {status}").into());
    }
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed={LIBRARY}");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
