// ONNX's f for PyTorch's RNN.

// The activation is ReLU if this is true, and tanh otherwise.
override RELU: bool = false;

fn act_f(index: u32, x: f32) -> f32 {
    if RELU {
        return act_relu(x);
    }
    return act_tanh(x);
}
