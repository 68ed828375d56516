"""Preprocessing and the two ways to run a model: in process (ONNX Runtime) and the Triton server."""
