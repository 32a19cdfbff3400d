from ray.rllib.algorithms.ppo import PPOConfig

config = (
    PPOConfig()
    .environment("lunar_env:Lunar/Vertical-v0", env_config={"decision_period": 0.5})  # keywords of gym.make
    .env_runners(
        num_env_runners=0,  # in this process
        num_envs_per_env_runner=16,
        gym_env_vectorize_mode="vector_entry_point",  # one batch; "sync" would make 16 environments
    )
    .learners(num_learners=0)
    .training(train_batch_size_per_learner=2048, minibatch_size=256, num_epochs=4)
)
algorithm = config.build_algo()
results = [algorithm.train() for _ in range(2)]
algorithm.stop()
