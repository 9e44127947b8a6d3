# Run by `cmake --install`: the workloads that read LibTorch's headers find them from the prefix, too, where no build folder is
# beside them. Given: saturn_workloads, saturn_torch.
cmake_policy(VERSION 3.25)
foreach(name quickstart four-ways)
  set(workload "$ENV{DESTDIR}${saturn_workloads}/${name}.yaml")
  file(READ "${workload}" text)
  string(REPLACE "../build/deps/torch/" "${saturn_torch}/" text "${text}")
  file(WRITE "${workload}" "${text}")
endforeach()
