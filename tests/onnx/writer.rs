//! ONNX models made on the spot, to be broken in one place each.

/// The fields of a protobuf message, as bytes.
#[derive(Clone, Debug, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn int(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
        self
    }

    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A string, bytes, packed numbers or a message.
    pub fn bytes(mut self, field: u64, value: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.as_ref().len() as u64);
        self.0.extend(value.as_ref());
        self
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub const FLOAT: i64 = 1;

/// A TensorProto of f32 in `raw_data`; the values are numbered from 1, in sixty-fourths.
pub fn tensor(name: &str, shape: &[i64]) -> Message {
    let count = shape.iter().product::<i64>();
    let raw: Vec<u8> = (1..=count).flat_map(|value| (value as f32 / 64.0).to_le_bytes()).collect();
    header(name, shape, FLOAT).bytes(9, raw)
}

/// A TensorProto without its values.
pub fn header(name: &str, shape: &[i64], data_type: i64) -> Message {
    shape
        .iter()
        .fold(Message::default(), |message, &size| message.int(1, size))
        .int(2, data_type)
        .bytes(8, name)
}

/// Attributes: AttributeProto.
pub fn int(name: &str, value: i64) -> Message {
    Message::default().bytes(1, name).int(3, value).int(20, 2)
}

pub fn float(name: &str, value: f32) -> Message {
    Message::default().bytes(1, name).float(2, value).int(20, 1)
}

pub fn string(name: &str, value: &str) -> Message {
    Message::default().bytes(1, name).bytes(4, value).int(20, 3)
}

pub fn floats(name: &str, values: &[f32]) -> Message {
    let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Message::default().bytes(1, name).bytes(7, packed).int(20, 6)
}

pub fn ints(name: &str, values: &[i64]) -> Message {
    values.iter().fold(Message::default().bytes(1, name).int(20, 7), |message, &value| message.int(8, value))
}

pub fn strings(name: &str, values: &[&str]) -> Message {
    values.iter().fold(Message::default().bytes(1, name).int(20, 8), |message, value| message.bytes(9, value))
}

/// NodeProto.
pub fn node(op_type: &str, name: &str, inputs: &[&str], outputs: &[&str], attributes: &[Message]) -> Message {
    let message = inputs.iter().fold(Message::default(), |message, input| message.bytes(1, input));
    let message = outputs.iter().fold(message, |message, output| message.bytes(2, output));
    let message = attributes.iter().fold(message, |message, attribute| message.bytes(5, attribute));
    message.bytes(3, name).bytes(4, op_type)
}

/// ValueInfoProto.
fn value(name: &str) -> Message {
    Message::default().bytes(1, name)
}

/// ModelProto: a graph of these nodes and initializers from x to y.
pub fn model(opset: i64, nodes: &[Message], initializers: &[Message]) -> Vec<u8> {
    let graph = nodes.iter().fold(Message::default(), |graph, node| graph.bytes(1, node));
    let graph = initializers.iter().fold(graph, |graph, tensor| graph.bytes(5, tensor));
    let graph = graph.bytes(11, value("x")).bytes(11, value("state")).bytes(12, value("y"));
    let opset = Message::default().bytes(1, "").int(2, opset);
    Message::default().int(1, 8).bytes(7, graph).bytes(8, opset).0
}

/// The weights W, R and B of a cell of G gates, I = 3 and H = 2, for one direction.
pub fn weights(gates: i64) -> Vec<Message> {
    vec![tensor("W", &[1, gates * 2, 3]), tensor("R", &[1, gates * 2, 2]), tensor("B", &[1, gates * 4])]
}

/// A model of one LSTM named `lstm` with these attributes beside `hidden_size`.
pub fn lstm(attributes: &[Message]) -> Vec<u8> {
    lstm_of(&["x", "W", "R", "B"], attributes, &weights(4))
}

/// A model of one LSTM with these inputs.
pub fn lstm_of(inputs: &[&str], attributes: &[Message], initializers: &[Message]) -> Vec<u8> {
    let attributes: Vec<Message> = [int("hidden_size", 2)].into_iter().chain(attributes.to_vec()).collect();
    model(17, &[node("LSTM", "lstm", inputs, &["y"], &attributes)], initializers)
}
