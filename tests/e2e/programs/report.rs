//! The program that the tests have held: reports what it is, in one line of JSON, and exits as it is told.
//!
//! `PROGRAM [--append FILE TOKEN] [--wait] STATUS`: `--append` adds the token as a line to the file, which proves
//! how often the program ran; `--wait` reads its input to the end before it exits.
use std::{env, fs, io::Read as _, io::Write as _, os::unix::process::parent_id, process};

fn main() {
    let mut arguments = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let mut status = 0;
    let mut wait = false;
    let mut quiet = false;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--append" => {
                let (file, token) =
                    (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
                let mut file =
                    fs::OpenOptions::new().append(true).create(true).open(file).expect("open the file");
                file.write_all(format!("{token}\n").as_bytes()).expect("append the token");
                quiet = true;
            }
            "--wait" => wait = true,
            number => status = number.parse().unwrap_or(0),
        }
    }
    if !quiet {
        println!("{}", report());
    }
    if wait {
        std::io::stdin().read_to_end(&mut Vec::new()).expect("read the input");
    }
    process::exit(status);
}

/// The same fields as `Snapshot` in the tests.
fn report() -> String {
    let fields = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = fields.rsplit(')').next().unwrap_or_default();
    let terminal = after_name.split_whitespace().nth(4).unwrap_or("0").to_owned();
    let cwd = env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
    let mut descriptors: Vec<(u32, String)> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let number = entry.file_name().to_string_lossy().parse();
        if let (Ok(number), Ok(target)) = (number, fs::read_link(entry.path())) {
            let target = target.display().to_string();
            // The directory that is being read.
            if !target.starts_with("/proc/") {
                descriptors.push((number, target));
            }
        }
    }
    descriptors.sort();
    let descriptors: Vec<String> =
        descriptors.iter().map(|(number, target)| format!("[{number},{target:?}]")).collect();
    format!(
        "{{\"pid\":{},\"ppid\":{},\"terminal\":{terminal},\"cwd\":{cwd:?},\"descriptors\":[{}]}}",
        process::id(),
        parent_id(),
        descriptors.join(",")
    )
}
