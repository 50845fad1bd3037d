//! What a SPIR-V module declares. The numbers are those of the specification's tables
//! (<https://registry.khronos.org/SPIR-V/specs/unified1/SPIRV.html>).

use std::collections::HashMap;

use super::translated::Needs;

const EXECUTION_MODE: u32 = 16;
const LOCAL_SIZE: u32 = 17;
const TYPE_INT: u32 = 21;
const TYPE_FLOAT: u32 = 22;
const TYPE_VECTOR: u32 = 23;
const TYPE_ARRAY: u32 = 28;
const TYPE_POINTER: u32 = 32;
const CONSTANT: u32 = 43;
const VARIABLE: u32 = 59;
const UNIFORM: u32 = 2;
const WORKGROUP: u32 = 4;
const STORAGE_BUFFER: u32 = 12;

pub(super) fn needs(words: &[u32]) -> Needs {
    assert_eq!(words[0], 0x0723_0203, "the magic number");
    let mut needs = Needs { invocations: 0, workgroup_bytes: 0, storage_buffers: 0, uniform_buffers: 0 };
    // By the identifiers of types and constants. A pointer's is of what it points to.
    let (mut bytes, mut constants) = (HashMap::new(), HashMap::new());
    let mut rest = &words[5..];
    while let [first, ..] = rest {
        let (instruction, others) = rest.split_at((first >> 16) as usize);
        rest = others;
        match (first & 0xFFFF, &instruction[1..]) {
            (EXECUTION_MODE, [_, LOCAL_SIZE, sides @ ..]) => needs.invocations = sides.iter().product(),
            (TYPE_INT, [id, width, _]) | (TYPE_FLOAT, [id, width, ..]) => {
                bytes.insert(*id, width / 8);
            }
            (TYPE_VECTOR, [id, part, count]) if bytes.contains_key(part) => {
                bytes.insert(*id, bytes[part] * count);
            }
            (CONSTANT, [_, id, value, ..]) => {
                constants.insert(*id, *value);
            }
            (TYPE_ARRAY, [id, part, length]) if bytes.contains_key(part) => {
                bytes.insert(*id, bytes[part] * constants[length]);
            }
            (TYPE_POINTER, [id, WORKGROUP, to]) => {
                bytes.insert(*id, bytes[to]);
            }
            (VARIABLE, [pointer, _, WORKGROUP, ..]) => needs.workgroup_bytes += bytes[pointer],
            (VARIABLE, [_, _, STORAGE_BUFFER, ..]) => needs.storage_buffers += 1,
            (VARIABLE, [_, _, UNIFORM, ..]) => needs.uniform_buffers += 1,
            _ => {}
        }
    }
    needs
}
