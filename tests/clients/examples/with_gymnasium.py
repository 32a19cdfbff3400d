import gymnasium as gym
from gymnasium.wrappers.vector import ClipAction, NormalizeReward, RecordEpisodeStatistics

statistics = RecordEpisodeStatistics(gym.make_vec("lunar_env:Lunar/Vertical-v0", num_envs=64))
envs = ClipAction(NormalizeReward(statistics, gamma=0.99))
envs.action_space.seed(1)
observation, info = envs.reset(seed=1)
while statistics.episode_count < 64:
    observation, reward, terminated, truncated, info = envs.step(envs.action_space.sample())
returns = list(statistics.return_queue)
