//! Compiles the program that the tests have held, once as a static ELF file and once as a dynamic one.

use std::{env, error::Error, path::Path, process::Command};

const SOURCE: &str = "programs/report.rs";

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
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
